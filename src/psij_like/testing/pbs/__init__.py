"""PBS Pro, as recorded on OpenPBS 23.06 (what its master of April 2026 does where releases differ).

Settings of its own: `server_name` ("sim"), names of queues that are `stopped` or `disabled`, `resources`, names of
resources that the site has added, and `login_shell` (False): whether the shell of a job reads the files of a login
shell, as the real ones do. `history=0` is a server without job history. Output is delivered when a job ends, as
the real one does; `qstat` shows no job's usage of resources.
"""
