"""Real schedulers for the tests: started, controlled and removed by one keeper.

Everything below except `client` runs as root, on the system's Python, with the standard library only.
"""
