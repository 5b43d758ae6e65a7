"""What is true of one backend each."""
