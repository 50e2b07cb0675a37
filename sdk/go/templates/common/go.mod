module {{name}}.plugin

go 1.24

require sandloop.dev/sdk v0.0.0

replace sandloop.dev/sdk => ./sandloop
