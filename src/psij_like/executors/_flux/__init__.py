"""What `psij_like.executors.flux` is made of."""
