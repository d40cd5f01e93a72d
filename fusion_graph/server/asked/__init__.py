"""What a client asks for: the body of a request read, checked, and turned into a turn of the graph."""
