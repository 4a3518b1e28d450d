"""Virtual machines: their checks, a noun a file, their disks, their power."""
