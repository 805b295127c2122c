"""The interfaces of other packages, on top of this one."""
