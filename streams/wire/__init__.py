"""What travels between workers only."""
