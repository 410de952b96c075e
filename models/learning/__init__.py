"""Learning online: weights, position bias, the drift alarm, silences."""
