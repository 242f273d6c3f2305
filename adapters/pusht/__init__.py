"""PushT: a real benchmark for image policies, with an expert that needs no demonstrations."""
