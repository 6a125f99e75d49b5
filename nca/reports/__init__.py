"""Reports on a checkpoint: a folder with one HTML page, its pictures and its numbers as JSON.

`islands` is the report of `nca islands`, `robustness` that of `nca examine`. Both are made of the
kit beside them: `statistics` defines mean, deviation and interval, `numbers` writes them,
`finding` is a question with its answer, `report` what Python and notebooks show, `table`,
`figures`, `html` and `style` make the page, and `publish` writes the folder. Public to the other
folders: `islands`, `report`, `robustness`, `statistics`, `numbers`, `publish`.
"""
