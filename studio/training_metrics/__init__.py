"""What a training run tells while it goes on and afterwards: curves, log, details, and the live stream.

Nothing is kept here: everything is read from the messages of the training room, so that the answers and the stream
cannot differ. A process follows each run once, however many sockets listen to it.
"""
