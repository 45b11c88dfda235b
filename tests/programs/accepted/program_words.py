#!/usr/bin/env python3
# mode: program
import argparse
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--upper", action="store_true")
options = parser.parse_args()
for line in sys.stdin:
    words = line.split()
    print(*(word.upper() if options.upper else word for word in words))
sys.exit(0)
