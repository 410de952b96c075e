"""`streamrank evaluate`: a log through the handlers that serve, ranked before it is learnt from."""
