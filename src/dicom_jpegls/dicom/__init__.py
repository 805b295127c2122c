"""The DICOM layer: datasets and the pydicom plugin. Knows no files and no jobs."""
