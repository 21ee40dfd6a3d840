"""The map of the package. Imports point in one direction, from the end of this list to its beginning.

    errors      what a user can mend, as one line
    config      the typed configuration, registry of kinds, bounds, digests
    schema      schemas for Hydra; what it composed -> frozen objects
    progress    progress bars
    processes   whether a process is gone
    turns       who may use the processor: many work at once, one that measures is alone
    cpu, cores, machine   what the processor can do; cores and memory; what else the machine did
    statistics, samples   intervals and verdicts; raw samples of processes and pairs of them
    paired/     candidate against baseline on the same queries: differences of quality, flips, calibration
    profile     curves: where the time goes
    report      Report: the measurements of one classifier and what is derived from them
    rows        Row: one optimization in a comparison
    data/       any source -> Splits, checked
    low_rank    matrices as products of thinner ones
    structure   heads and neurons of a network: their importance, their removal
    students    networks of fewer layers, or narrower ones, made of a larger one
    pooling     what stands for a text: its first token, or the mean of all
    vocabulary, augmentation   fewer word pieces; more texts to distil on
    backbone/   pretrained weights -> a network to start from
    classifiers/  artifact directory -> texts to logits, one file a runtime; the decision rule that makes them answers
    training    the transformers Trainer, fast on a CPU and safe against kills
    distillation, pruning, search   what training does for a smaller network, in torch
    static_network   a network of word-piece vectors without layers, to be trained
    onnx_graph  a network as an ONNX graph: exported, fused, quantized as it runs
    onnx_static, onnx_weights   the same with ranges measured beforehand; weights in 4 bits
    search_plot, cascade_plot   what a step noted -> figures
    steps/      one file a step: a frozen dataclass and how it is carried out
    store       stages: fingerprint -> directory, made once
    optimize    an optimization's steps, stage by stage, through the store
    measure/    artifact -> Report, in worker processes
    serve/      texts to answers, for those that serve; the model that MLflow loads
    track/      MLflow, and nothing else imports it but what MLflow itself loads in serve/
    plot, speedup_plot, profile_plot, reliability_plot   rows, a profile, scores -> figures
    compare, legend     rows -> table, and its explanation; `python -m pipeline.compare`
    publish     an artifact and its model card, to the Hugging Face Hub
    check       what can be known to be wrong before anything is loaded
    describe    what a run says of itself
    prepare     Config -> Job: data, store, experiment
    noise/      a classifier against itself: what this machine's numbers are worth; `python -m pipeline.noise`
    conclude    what follows measuring: comparison, summary, publication
    training_benchmark   training against the Trainer's defaults; an entry point
    run         the spine: reads as data, steps, measuring, tracking, comparison
    frontier/   a search for small students over speed, size and quality; `python -m pipeline.frontier`
    decide/     a budget -> which optimization to ship, and why no other; the registry; `python -m pipeline.decide`
    rollback, predict   the champion before; what the champion says of texts; entry points
    page/       one HTML page of an experiment; `python -m pipeline.page`
    doctor/     why a classifier is not faster; `python -m pipeline.doctor`
    sweep/      many runs: each in a process of its own, measured at the end, told as a whole
    usage       what --help prints
    explain     Hydra's errors as one line
    cli         the command line; `python -m pipeline`

`compare` and `plot` never see a model, `measure` never sees Hydra's configuration, only `cli` and `explain` import hydra.
"""
