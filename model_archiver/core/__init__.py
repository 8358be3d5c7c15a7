"""The data types and small functions that all subpackages share."""
