"""What travels: commands, events, replies, policies and HTTP bodies, as versioned models.

JSON on every wire, names in camelCase, unknown fields ignored. Each message version has golden
examples under `examples/`: valid ones and ones that must be refused.
"""
