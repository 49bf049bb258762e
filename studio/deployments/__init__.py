"""What of a model is served: deployments, which version each serves, and how requests find them.

A row holds what is wanted of a deployment and which version it serves now. The worker's caretaker has the supervisor
of model hosts keep a process per deployment, version and replica, and changes the served version only once every
replica of the new one has loaded it and passed its self-test. The processes of the API read the rows, keep what they
read for a second at most, and send requests to the hosts; every answer says the version that its host was started for.
"""
