"""One DICOM file: read frame by frame, converted, verified, written whole or not at all."""
