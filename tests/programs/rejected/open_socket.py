# expect: py-network @ 2:8
import socket

connection = socket.create_connection(("example.org", 80))
output = connection.recv(10)
