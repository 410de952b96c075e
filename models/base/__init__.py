"""What all other rooms of ``models`` stand on: arrays, vectors, artifacts, ONNX sessions, errors."""
