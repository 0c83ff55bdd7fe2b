"""Where messages travel: every topic declared once, and all that puts the declaration into effect.

The registry, the partitioner, the record headers, creating and verifying topics on a broker, the
genesis policy, publishing later policies, and the AsyncAPI document of it all.
"""
