"""The Open Inference Protocol V2 over REST, with its binary tensor extension.

Source: the KServe page "Open Inference Protocol" and Triton's "Binary tensor data
extension". A request becomes the rows that `predict` takes, so what answers, what is
refused and what is counted are the same.
"""
