"""Floor 0: values and rules of the farm. Standard library only, no I/O, no clock."""
