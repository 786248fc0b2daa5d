# Runs one test on the firmware: harness.py MODULE FUNCTION. The driver is run.py.
import sys

getattr(__import__(sys.argv[1]), sys.argv[2])()
print("done")
