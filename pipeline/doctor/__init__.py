"""`python -m pipeline.doctor RUN_OR_OPTIM`: why is it not faster? One page of findings, each with what to do.

    facts       what is known of a classifier: its products, operators, times, bytes, and the machine
    subject     a run id or an optimization's name -> the run and its artifact
    parts       bytes on disk by part of the network
    graph       an ONNX graph as ONNX Runtime really runs it, and its time by operator
    network     a torch network, and its time by operator
    examine     an artifact -> facts
    finding, fusion, findings   facts -> findings, what costs most first
    page        findings -> a page for the terminal, and the same in Markdown

It looks at one classifier in this process. That is a diagnosis, not a measurement: shares of time only, no milliseconds.
"""
