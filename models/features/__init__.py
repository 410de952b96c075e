"""What the ranker knows of each candidate: families of features, one a file; ``registry`` lists them."""
