def write(model): return ""
