"""Where candidates come from: one retrieval method a file; ``registry`` lists them."""
