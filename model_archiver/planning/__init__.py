"""What goes where: from a request to a plan, without writing a byte."""
