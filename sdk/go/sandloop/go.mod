module sandloop.dev/sdk

go 1.26
