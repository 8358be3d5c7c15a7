"""What pip makes of a requirements file."""
