class VisitsController < ApplicationController
  def index
    Visit.create!(agent: request.user_agent.to_s)
    @kept = Visit.count
    @counted = Redis.new(url: ENV.fetch("REDIS_URL")).incr("visits")
  end
end
