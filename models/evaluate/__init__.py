"""Evaluation: metrics, intervals, baselines and off-policy estimates; arrays in, figures out."""
