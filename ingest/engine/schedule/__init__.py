"""When which row is imported: what to start with, how many at once, when to stop, when it will be over."""
