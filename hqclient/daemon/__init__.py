"""The program that runs on the farm's machines: beats, orders, runs, output, reports."""
