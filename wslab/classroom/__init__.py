"""Many learners' notebooks graded at once, and a learner's work packed for it.

What was handed in is found (`submissions`), each notebook is graded in a process of its own (`single`), here or on a
Dask cluster (`command`); each exercise is a row (`rows`), known wrong solutions are counted (`misconceptions`), and
a teacher reads it (`page`). `export` packs what a learner hands in.
"""
