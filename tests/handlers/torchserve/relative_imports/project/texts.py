TEXT = "relative"
