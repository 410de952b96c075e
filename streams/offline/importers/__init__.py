"""Public data sets as event logs: one file a data set; ``registry`` lists them."""
