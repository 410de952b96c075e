"""What is added to the scores of a list after the rankers, one class a reason; ``registry`` lists them."""
