"""What an operator asks: a stored answer explained, a user, what is wrong with a deployment."""
