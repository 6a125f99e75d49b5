"""Reports on a checkpoint: a folder with one HTML page, its pictures and its numbers as JSON.

`islands` is what `nca islands` writes, `robustness` what `nca examine` does. Beside them lies the
kit that both are made of: `html` and `style` make the page.
"""
