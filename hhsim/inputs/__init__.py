"""What drives cells from outside: a file for each kind of input, with its arrays and its kernel."""
