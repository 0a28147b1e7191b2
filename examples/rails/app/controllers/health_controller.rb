class HealthController < ApplicationController
  def show
    Visit.exists?
    render plain: "ok"
  end
end
