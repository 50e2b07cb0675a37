module {{name}}.plugin

go 1.26

require sandloop.dev/sdk v0.0.0

replace sandloop.dev/sdk => ./sandloop
