"""What files of weights are, told without loading them."""
