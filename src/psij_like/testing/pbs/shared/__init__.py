"""What the simulated PBS Pro and Torque have in common, as the real ones have a common ancestor."""
