Rails.application.routes.draw do
  root "visits#index"
  get "health", to: "health#show"
end
