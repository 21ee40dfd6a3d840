"""One self-contained HTML page of an experiment or a sweep: decision, table, trade-off, latencies, flips, how measured.

content.py     what MLflow holds -> `Content`, plain values
scatter.py     where each point of the trade-off lies, in the page's units
page.html      the template: no script, font or image is loaded from anywhere
__main__.py    `python -m pipeline.page`
"""
