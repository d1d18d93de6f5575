"""The machines: who they are, what their beats bring and take back, their groups and folders."""
