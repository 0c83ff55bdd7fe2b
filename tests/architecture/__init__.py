"""The shape of the tree: who imports whom, how long a module is, what no file may hold."""
