"""What is true of one launcher each."""
